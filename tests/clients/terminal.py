"""Runs a program in a terminal so many columns wide: `terminal.py COLUMNS PROGRAM [ARGUMENT ...]`.

Standard input is what is typed, standard output what is on the screen, the exit status is the program's.
"""

import fcntl
import os
import pty
import select
import struct
import sys
import termios

columns, program, arguments = int(sys.argv[1]), sys.argv[2], sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    # The width is there before the program looks.
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    os.execv(program, arguments)
watched = [terminal, 0]
while terminal in watched:
    for source in select.select(watched, [], [])[0]:
        try:
            data = os.read(source, 4096)
        except OSError:  # A terminal whose program has ended reads so on Linux.
            data = b""
        if not data:
            watched.remove(source)
        elif source == 0:
            os.write(terminal, data)
        else:
            os.write(1, data.replace(b"\r\n", b"\n"))
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
