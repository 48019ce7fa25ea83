"""What a person opens in a browser: tables as pages, the report of a whole run, and of one that is not done yet."""
