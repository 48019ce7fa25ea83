"""What killing, filling up, damaging and pulling away does to a study: the campaign of `make faults`, and the curves
of trainings that were interrupted (``python -m faults.resume``).

A trial copies a finished small study, takes the results of one stage away, lets that stage run into one fault, gives
the same command again, and compares every result with the undisturbed run's, byte by byte.
"""
