"""What a study will cost, before anything runs: jobs, hours, disk, downloads, tokens; each measured or estimated."""
