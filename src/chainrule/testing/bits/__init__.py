"""Whether compiled functions give the same bits on any number of threads, for any processor, from any cache."""
