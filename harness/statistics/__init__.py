"""Paired differences with intervals. Pure numpy and scipy: arrays in, Estimates out, no I/O."""
