"""A device that does its duty: it keeps an image, and stores it again, until the proxy has answered "success"."""

import threading
from collections import Counter

from cami_cli.dicom_folder import DicomFile, scan
from cami_cli.region_file import DicomAddress
from cami_cli.store import Outcome, store_files
from tests.faults.images import Sent

AET = "CT42001"
#: Seconds between two rounds of what was refused.
PAUSE = 1.0


class Device(threading.Thread):
    """Stores a folder in a thread of its own."""

    def __init__(self, address: DicomAddress, sent: Sent, seconds: float) -> None:
        """Make a device that takes at least so many seconds for all of it, as one does that makes its images."""
        super().__init__(name="device", daemon=True)
        self._address = address
        self._left = list(scan(sent.folder).files)
        self._pause = seconds / len(self._left)
        self._stopped = threading.Event()
        self.accepted = 0
        self.refusals: Counter[str] = Counter()
        """Why images were refused, and how often."""

    def run(self) -> None:
        while self._left and not self._stopped.is_set():
            again: list[DicomFile] = []

            def heard(outcome: Outcome, again: list[DicomFile] = again) -> None:
                if outcome.stored:
                    self.accepted += 1
                    self._stopped.wait(self._pause)
                else:
                    self.refusals[outcome.reason] += 1
                    again.append(outcome.file)

            store_files(self._left, self._address, AET, heard)
            self._left = again
            if again:
                self._stopped.wait(PAUSE)

    def finish(self, seconds: float) -> None:
        """Wait until all is accepted."""
        self.join(seconds)
        assert not self.is_alive(), f"the device still has {len(self._left)} images: {self.refusals.most_common(3)}"

    def stop(self) -> None:
        """Give up, after a test that failed."""
        self._stopped.set()
