"""A load of requests whose answers are all checked."""
import threading


class Load:
    """Workers that go through one step after the other until the load is stopped.

    worker(number) connects and returns a function that makes one step: it sends requests, checks the
    answers (assert) and returns how many there were.  idle: functions that open connections which are
    then left alone; what they return is kept until the end.
    """

    def __init__(self, worker, workers, idle=()):
        self._worker, self._workers, self._idle = worker, workers, idle
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads, self._kept = [], []
        self.served, self.failures = 0, []

    def _run(self, number):
        try:
            step = self._worker(number)
            while not self._stop.is_set():
                served = step()
                with self._lock:
                    self.served += served
        except Exception as problem:  # pylint: disable=broad-except
            with self._lock:
                self.failures.append(f"worker {number}: {type(problem).__name__}: {problem}")

    def start(self):
        self._kept = [open_connection() for open_connection in self._idle]
        self._stop.clear()
        self._threads = [threading.Thread(target=self._run, args=(n,), daemon=True)
                         for n in range(self._workers)]
        for thread in self._threads:
            thread.start()
        return self

    def stop(self):
        """Ends the workers; the idle connections stay open.  Fails when an answer was wrong."""
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive(), "a request got no answer for a minute"
        assert not self.failures, "\n".join(self.failures)

    def close(self):
        self._stop.set()
        for connection in self._kept:
            connection.close()
        self._kept = []
