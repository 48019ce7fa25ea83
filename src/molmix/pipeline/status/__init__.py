"""How far a run is, from what it leaves on disk: jobs by state, times, losses. Starts nothing, changes nothing."""
