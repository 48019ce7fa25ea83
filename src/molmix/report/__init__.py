"""Everything that a person looks at: figures, the explorer, explanations of scores, and reports as HTML."""
