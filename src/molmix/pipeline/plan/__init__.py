"""The cost of a study, before it runs: jobs, hours, disk and downloads, as far as they are known."""
