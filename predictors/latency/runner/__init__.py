"""What runs on the device that is measured: identity, timing, stopping rule, journal, runner.

The same code measures this machine and, packed into one file, any other. So its modules import
only the standard library, numpy, and modules of ours for which the same holds; the runtime is
imported when it is needed.
"""
