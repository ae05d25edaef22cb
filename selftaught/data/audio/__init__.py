"""Recordings of sound: speech, music, machines; in files of any rate and any number of channels."""
