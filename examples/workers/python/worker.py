"""A worker in Python, with nothing but the standard library.

    ORCHESTRATOR_URL=http://localhost:8080 WORKER_TOKEN=... python3 worker.py

Put your own work into `SKILLS`; the rest can stay as it is.
"""

import json
import os
import random
import signal
import threading
import time
import urllib.error
import urllib.request
import uuid


# ---------------------------------------------------------------- the work


class PermanentError(Exception):
    """Trying again is useless: a person has to look at it."""


class InvalidInputError(Exception):
    """The params are wrong: the job fails."""


class Cancelled(Exception):
    """Raise it when `task.cancelled` is set: nobody waits for the result any more."""


def count_words(params, task):
    text = params.get("text")
    if not isinstance(text, str):
        raise InvalidInputError("params.text must be a text")
    words = {}
    for word in text.lower().split():
        if task.cancelled.is_set():
            raise Cancelled()
        words[word] = words.get(word, 0) + 1
    return {"words": words}


def wait(params, task):
    """Something slow that can be stopped."""
    if task.cancelled.wait(timeout=float(params.get("seconds", 1))):
        raise Cancelled()
    return {"waited": True}


SKILLS = {"text.count_words": count_words, "demo.wait": wait}

# ---------------------------------------------------------------- the protocol

URL = os.environ.get("ORCHESTRATOR_URL", "http://localhost:8080").rstrip("/") + "/_worker"
TOKEN = os.environ["WORKER_TOKEN"]
WORKER_ID = os.environ.get("WORKER_ID") or f"python-{uuid.uuid4().hex[:8]}"
CONCURRENCY = int(os.environ.get("MAX_CONCURRENT_TASKS", "4"))


class Refused(Exception):
    """An answer that is no success. `status` 0: no answer at all."""

    def __init__(self, status, message, retry_after=0.0):
        super().__init__(f"{status}: {message}")
        self.status = status
        self.retry_after = retry_after


def call(method, path, body=None, timeout=30):
    """One request. Returns the answer as JSON, or None where there is nothing (204)."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"X-Worker-Token": TOKEN, "X-Worker-ID": WORKER_ID, "Content-Type": "application/json"}
    request = urllib.request.Request(URL + path, data=data, headers=headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            text = response.read()
            return json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        seconds = error.headers.get("Retry-After") or "0"
        raise Refused(error.code, error.read().decode(), float(seconds) if seconds.isdigit() else 0.0) from error
    except (OSError, ValueError) as error:
        raise Refused(0, str(error)) from error


def backoff(failures, least=0.0):
    """Seconds to wait: doubles up to 30, and differs from worker to worker."""
    return max(least, min(30.0, 0.5 * 2 ** min(failures, 10)) * random.uniform(0.5, 1.0))


class Task:
    def __init__(self, payload):
        self.payload = payload
        self.id = payload["task_id"]
        self.job_id = payload["job_id"]
        self.cancelled = threading.Event()

    def progress(self, fraction, message=""):
        """Tells how far the work is, from 0 to 1. A lost word about it does no harm."""
        event = {"event": "progress_update", "job_id": self.job_id, "task_id": self.id}
        try:
            call("POST", "/events", {**event, "worker_id": WORKER_ID, "progress": fraction, "message": message})
        except Refused:
            pass


class Worker:
    def __init__(self):
        self.draining = threading.Event()  # no more tasks, please
        self.done = threading.Event()
        self.slots = threading.Semaphore(CONCURRENCY)
        self.lock = threading.Lock()
        self.tasks = {}
        self.heartbeat_seconds = 15.0
        # New at every start: by it the orchestrator knows that the former process is gone, and what it held is free.
        self.boot_id = uuid.uuid4().hex

    def register(self):
        failures = 0
        while not self.done.is_set():
            try:
                answer = call("POST", "/workers/register", {
                    "worker_id": WORKER_ID,
                    "worker_type": "python",
                    "supported_skills": list(SKILLS),
                    "max_concurrent_tasks": CONCURRENCY,
                    "boot_id": self.boot_id,
                    "status": "idle",
                })
                self.heartbeat_seconds = float(answer.get("heartbeat_seconds", 15))
                print(f"registered as {WORKER_ID}", flush=True)
                return
            except Refused as refused:
                if refused.status in (400, 401, 403):
                    raise SystemExit(f"the orchestrator does not take this worker: {refused}")
                failures += 1
                self.done.wait(backoff(failures, refused.retry_after))

    def beat(self):
        """Says "alive", which renews the leases, and hears which tasks are to be stopped."""
        with self.lock:
            held = dict(self.tasks)
        status = "draining" if self.draining.is_set() else "busy" if held else "idle"
        answer = call("PATCH", f"/workers/{WORKER_ID}", {"status": status, "current_tasks": list(held)})
        for task_id in answer.get("cancel_task_ids", []):
            if task_id in held:
                held[task_id].cancelled.set()

    def keep_beating(self):
        failures = 0
        wait = self.heartbeat_seconds
        while not self.done.wait(wait):
            try:
                self.beat()
                failures, wait = 0, self.heartbeat_seconds
            except Refused as refused:
                if refused.status == 404:
                    self.register()  # it has forgotten us
                failures += 1
                wait = max(refused.retry_after, min(self.heartbeat_seconds, backoff(failures)))

    def poll(self):
        """Takes tasks as long as there are free slots."""
        failures = 0
        while not self.draining.is_set():
            if not self.slots.acquire(timeout=0.2):
                continue
            try:
                payload = call("GET", f"/workers/{WORKER_ID}/tasks/next?timeout=5", timeout=35)
                failures = 0
            except Refused as refused:
                self.slots.release()
                if refused.status == 404:
                    self.register()
                failures += 1
                self.draining.wait(backoff(failures, refused.retry_after))
                continue
            if payload is None:
                self.slots.release()
                continue
            task = Task(payload)
            with self.lock:
                self.tasks[task.id] = task
            threading.Thread(target=self.work, args=(task,)).start()

    def work(self, task):
        try:
            self.deliver(task, self.outcome(task))
        finally:
            with self.lock:
                if self.tasks.get(task.id) is task:
                    del self.tasks[task.id]
            self.slots.release()

    def outcome(self, task):
        def failure(code, error):
            return {"status": "failure", "error": {"code": code, "message": str(error)}}

        try:
            skill = SKILLS[task.payload["type"]]
            return {"status": "success", "data": skill(task.payload["params"], task)}
        except Cancelled:
            return {"status": "cancelled"}
        except InvalidInputError as error:
            return failure("INVALID_INPUT_ERROR", error)
        except PermanentError as error:
            return failure("PERMANENT_ERROR", error)
        except Exception as error:  # whatever it was, another try may go well
            return failure("TRANSIENT_ERROR", f"{type(error).__name__}: {error}")

    def deliver(self, task, outcome):
        """Sends the result until it is answered. `ignored` is an answer: somebody else's came first."""
        result = {
            "worker_id": WORKER_ID,
            "job_id": task.job_id,
            "task_id": task.id,
            "attempt": task.payload["attempt"],
            "lease_token": task.payload["lease_token"],
            **outcome,
        }
        failures = 0
        while True:
            try:
                answer = call("POST", "/tasks/result", result)
                print(f"{task.payload['type']} {task.id}: {outcome['status']}, {answer['status']}", flush=True)
                return
            except Refused as refused:
                if refused.status in (400, 401, 403, 413):
                    print(f"{task.id}: the result is refused: {refused}", flush=True)
                    return
                failures += 1
                time.sleep(backoff(failures, refused.retry_after))

    def run(self):
        self.register()
        beating = threading.Thread(target=self.keep_beating)
        beating.start()
        self.poll()
        # Leaving: leases are kept alive until the last result is delivered.
        for _ in range(CONCURRENCY):
            self.slots.acquire()
        self.done.set()
        beating.join()


def main():
    worker = Worker()
    for name in (signal.SIGTERM, signal.SIGINT):
        signal.signal(name, lambda *_: worker.draining.set())
    worker.run()


if __name__ == "__main__":
    main()
