"""Numbers that say what classifiers and their maps are worth."""
