"""Output for people: figures, the explorer, explanations of scores, and HTML reports."""
