"""Files to frames: which frames are asked for, and one source for each way of storing pictures."""
