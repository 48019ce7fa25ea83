"""What a study will cost, before anything runs: jobs, hours, disk and downloads, or that it is not known."""
