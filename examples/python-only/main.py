"""All of Tutti from Python, with nothing but the standard library: registers a blueprint, serves its tasks, creates a job, decides
what it asks, and prints how it ended.

    TUTTI_API_URL=http://localhost:8080 TUTTI_CLIENT_TOKEN=... WORKER_TOKEN=... python3 main.py "to be or not to be"

The client token must be an operator's: registering a blueprint is for operators. The worker here does one task at a time and lives as
long as the job; one that is to be copied is examples/workers/python/worker.py.
"""

import json
import os
import sys
import threading
import urllib.error
import urllib.request
import uuid

URL = os.environ.get("TUTTI_API_URL", "http://localhost:8080").rstrip("/")
CLIENT = {"X-Client-Token": os.environ["TUTTI_CLIENT_TOKEN"]}
WORKER = {"X-Worker-Token": os.environ["WORKER_TOKEN"]}
WORKER_ID = f"python-{uuid.uuid4().hex[:8]}"

BLUEPRINT = {
    "format": "tutti/v1",
    "name": "python_words",
    "version": 1,
    "input": {"type": "object", "required": ["text"], "properties": {"text": {"type": "string"}}},
    "start": "count",
    "states": {
        "count": {
            "dispatch": {
                "skill": "python.count_words",
                "params": {"text": {"$expr": "input.text"}},
                "timeout": "30s",
                "on": {"success": "judge", "failure": "failed"},
            }
        },
        "judge": {
            "when": [{"name": "many", "if": "data.words > 3", "go_to": "ask"}],
            "go_to": "done",
        },
        "ask": {
            "approval": {
                "message": "{{ data.words }} words. Go on?",
                "on": {"approved": "done", "rejected": "failed"},
            }
        },
    },
    "ends": {"done": {"output": {"words": {"$expr": "data.words"}}}, "failed": {"outcome": "failed"}},
}


def count_words(params):
    return {"words": len(params["text"].split())}


SKILLS = {"python.count_words": count_words}


def call(method, path, body=None, headers=CLIENT):
    """One request; the answer as JSON, or None where there is none (204)."""
    request = urllib.request.Request(
        URL + path,
        data=None if body is None else json.dumps(body).encode(),
        headers={**headers, "Content-Type": "application/json"},
        method=method,
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as response:
            text = response.read()
            return json.loads(text) if text else None
    except urllib.error.HTTPError as error:
        # The answer says what is wrong, where, and what to do.
        raise SystemExit(f"{method} {path}: {error.code} {error.read().decode()}") from error


def work(done):
    """Takes tasks and answers them, until the job has ended."""
    while not done.is_set():
        task = call("GET", f"/_worker/workers/{WORKER_ID}/tasks/next?timeout=1", headers=WORKER)
        if task is None:
            continue
        result = {key: task[key] for key in ("job_id", "task_id", "attempt", "lease_token")}
        try:
            outcome = {"status": "success", "data": SKILLS[task["type"]](task["params"])}
        except Exception as error:  # whatever it was, another try may go well
            outcome = {"status": "failure", "error": {"code": "TRANSIENT_ERROR", "message": repr(error)}}
        call("POST", "/_worker/tasks/result", {**result, "worker_id": WORKER_ID, **outcome}, headers=WORKER)


def follow(job_id):
    """The lines of the job's log, as they come: server-sent events."""
    request = urllib.request.Request(f"{URL}/api/v1/jobs/{job_id}/stream", headers=CLIENT)
    with urllib.request.urlopen(request, timeout=60) as stream:
        for line in stream:
            if line.startswith(b"data:"):
                yield json.loads(line[5:])


def main():
    text = sys.argv[1] if len(sys.argv) > 1 else "to be or not to be"
    # The same document again changes nothing; another one wants another version.
    call("POST", "/api/v1/blueprints", BLUEPRINT)
    call("POST", "/_worker/workers/register", {"worker_id": WORKER_ID, "supported_skills": list(SKILLS)}, headers=WORKER)
    done = threading.Event()
    worker = threading.Thread(target=work, args=(done,))
    worker.start()
    try:
        job_id = call("POST", "/api/v1/jobs", {"blueprint": "python_words", "input": {"text": text}})["job_id"]
        for event in follow(job_id):
            print(event["seq"], event["event_type"], event["state"], flush=True)
            if event["event_type"] == "approval_requested":
                call("POST", f"/api/v1/jobs/{job_id}/approve", {"decision": "approved"})
    finally:
        done.set()
        worker.join()
    job = call("GET", f"/api/v1/jobs/{job_id}")
    print(job["status"], json.dumps(job["result"]))
    sys.exit(0 if job["status"] == "finished" else 1)


if __name__ == "__main__":
    main()
