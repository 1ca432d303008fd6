"""Pictures to files: one sink for each kind of file, the sound that goes into it, and the recorder of the live view."""
