"""The progress of a run: jobs by state, times and losses. It only reads files of the run and starts no job."""
