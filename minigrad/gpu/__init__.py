"""Arrays and programs on an NVIDIA graphics card; imported when one is asked for."""
