"""Video files, through ffmpeg as a separate process.

Frames travel as NUT over pipes, with their timestamps. Nothing that a stranger made is parsed in
this process: headers and packets are read by a child (``child.py``), pixels by ffmpeg. Both are
given open files, never names, so a name cannot become an option, a protocol or a pattern.
"""
