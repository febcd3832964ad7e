"""The dataset doctor: what is in data dirs, what is wrong there, and what to listen to."""
