"""A file system that is served by this process: one file in a folder, and answers that may never come."""

import ctypes
import errno
import os
import pathlib
import stat
import struct
import threading

LIBC = ctypes.CDLL(None, use_errno=True)
NOSUID_NODEV = 2 | 4  # of mount()
FORCE, DETACH = 1, 2  # of umount2()
LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE, FLUSH, INIT, INTERRUPT, BATCH_FORGET = (
    1, 2, 3, 14, 15, 17, 18, 25, 26, 36, 42)
NOT_HERE, NO_SUCH_FILE = 38, 2
FILE = b"x.out"


def attributes(node, size):
    mode, links = (stat.S_IFDIR | 0o755, 2) if node == 1 else (stat.S_IFREG | 0o644, 1)
    return struct.pack("<6Q10I", node, size, 1, 0, 0, 0, 0, 0, 0, mode, links, 0, 0, 0, 4096, 0)


class Fuse:
    """Mounted at a new folder by the user, as with fusermount. What is in `silent` is not answered."""

    def __init__(self, folder, user_id, text=b"hello\n", silent=()):
        self.folder, self.text, self.silent = pathlib.Path(folder), text, set(silent)
        self.user_id = user_id
        self.asked = []
        self.device = self.thread = None

    @property
    def file(self):
        return self.folder / FILE.decode()

    def __enter__(self):
        self.folder.mkdir(mode=0o755)
        self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        options = f"fd={self.device},rootmode=40000,user_id={self.user_id},group_id={self.user_id}"
        options += ",allow_other" if self.user_id == 0 else ""
        if LIBC.mount(b"jobgate-tests", str(self.folder).encode(), b"fuse", NOSUID_NODEV, options.encode()):
            raise OSError(ctypes.get_errno(), "mount")
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()
        return self

    def __exit__(self, *_):
        """Whoever waits for an answer gets an error."""
        for how in (FORCE, DETACH):
            LIBC.umount2(str(self.folder).encode(), how)
        self.thread.join()
        os.close(self.device)
        self.folder.rmdir()

    def serve(self):
        while True:
            try:
                request = os.read(self.device, 1 << 18)
            except OSError as error:
                assert error.errno == errno.ENODEV
                return
            _, operation, unique, node = struct.unpack_from("<IIQQ", request)
            self.asked.append(operation)
            if operation in self.silent or operation in (FORGET, BATCH_FORGET, INTERRUPT):
                continue
            error, data = self.answer(operation, node, request[40:])
            try:
                os.write(self.device, struct.pack("<IiQ", 16 + len(data), -error, unique) + data)
            except OSError:
                pass  # whoever asked has gone

    def answer(self, operation, node, request):
        known = struct.pack("<QII", 0, 0, 0)
        if operation == INIT:
            return 0, struct.pack("<IIIIHHIIHHI28x", 7, 31, 1 << 17, 0, 16, 12, 1 << 17, 1, 32, 0, 0)
        if operation == LOOKUP and request == FILE + b"\0":
            return 0, struct.pack("<QQQQII", 2, 0, 0, 0, 0, 0) + attributes(2, len(self.text))
        if operation == LOOKUP:
            return NO_SUCH_FILE, b""
        if operation == GETATTR:
            return 0, known + attributes(node, len(self.text))
        if operation == OPEN:
            return 0, struct.pack("<QII", 1, 0, 0)
        if operation == READ:
            offset, size = struct.unpack_from("<8xQI", request)
            return 0, self.text[offset:offset + size]
        return (0, b"") if operation in (FLUSH, RELEASE) else (NOT_HERE, b"")
