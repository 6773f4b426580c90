#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the demo runs as somebody's program.

program.py connections PORT ADDRESS…   holds a TCP connection and a connected UDP socket to each
                                       address; a line a socket for each line read from stdin
program.py traffic ADDRESS…            sends until it is killed; a line when all were reached
program.py question udp|tcp SERVER NAME A|AAAA
                                       asks a resolver, and tells who answered
"""

import ipaddress
import socket
import struct
import sys
import time

ECHO_PORT = 7
TIMEOUT_SEC = 3
TYPES = {'A': (1, 4), 'AAAA': (28, 16)}


def connect(kind, address, port):
    family = socket.AF_INET6 if ':' in address else socket.AF_INET
    s = socket.socket(family, kind)
    s.settimeout(TIMEOUT_SEC)
    s.connect((address, port))
    return s


def ask(s):
    """What the internet saw; a datagram may be lost while a tunnel shakes hands."""
    for attempt in range(3):
        s.sendall(b'?')
        try:
            answer = s.recv(100)
            if not answer:
                raise ConnectionError('closed')
            return answer.decode()
        except TimeoutError:
            if s.type == socket.SOCK_STREAM:
                raise
    raise TimeoutError()


class Connection:
    """Behaves as programs do: what is cut is opened again."""

    def __init__(self, kind, address, port):
        self.arguments = (kind, address, port)
        self.socket = connect(*self.arguments)

    def tell(self):
        how = 'same'
        try:
            seen = ask(self.socket)
        except OSError:
            self.socket.close()
            self.socket = connect(*self.arguments)
            seen = ask(self.socket)
            how = 'new'
        name = 'tcp' if self.arguments[0] == socket.SOCK_STREAM else 'udp'
        return f'{name} {how} {seen}'


def run_connections(port, *addresses):
    connections = [Connection(kind, address, p) for address in addresses
                   for kind, p in ((socket.SOCK_STREAM, int(port)), (socket.SOCK_DGRAM, ECHO_PORT))]
    for _ in sys.stdin:
        print('\n'.join(c.tell() for c in connections), flush=True)


def run_traffic(*addresses):
    sockets = [connect(socket.SOCK_DGRAM, address, ECHO_PORT) for address in addresses]
    for s in sockets:
        ask(s)
        s.settimeout(0.01)
    print('reached', flush=True)
    while True:
        time.sleep(0.001)
        for s in sockets:
            try:
                s.send(b'?')
                s.recv(100)
            except OSError:
                pass  # lost, or refused: goes on


def skip_name(message, at):
    while message[at] and message[at] < 0xc0:
        at += message[at] + 1
    return at + (2 if message[at] else 1)


def run_question(kind, server, name, record):
    number, length = TYPES[record]
    labels = b''.join(bytes([len(x)]) + x.encode() for x in name.split('.')) + b'\0'
    query = struct.pack('>6H', 4711, 0x0100, 1, 0, 0, 0) + labels + struct.pack('>2H', number, 1)
    family = socket.AF_INET6 if ':' in server else socket.AF_INET
    if kind == 'tcp':
        with connect(socket.SOCK_STREAM, server, 53) as s:
            s.sendall(struct.pack('>H', len(query)) + query)
            answer, source = s.recv(512)[2:], s.getpeername()
    else:
        with socket.socket(family, socket.SOCK_DGRAM) as s:
            s.settimeout(TIMEOUT_SEC)
            s.sendto(query, (server, 53))
            answer, source = s.recvfrom(512)
    if struct.unpack('>4H', answer[:8])[3] < 1:
        sys.exit('no answer to the question')
    at = skip_name(answer, skip_name(answer, 12) + 4) + 10
    print(ipaddress.ip_address(answer[at:at + length]), 'from', source[0])


{'connections': run_connections, 'traffic': run_traffic,
 'question': run_question}[sys.argv[1]](*sys.argv[2:])
