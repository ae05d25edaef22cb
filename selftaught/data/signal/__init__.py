"""Series of numbers over time: sensors, ECGs, prices; one channel or several, of one length or of many."""
