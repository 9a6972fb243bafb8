package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"math"
	mathrand "math/rand"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"
)

const concurrency = 4

// Task is what the orchestrator hands out.
type Task struct {
	JobID      string          `json:"job_id"`
	ID         string          `json:"task_id"`
	Type       string          `json:"type"`
	Params     json.RawMessage `json:"params"`
	Attempt    int             `json:"attempt"`
	LeaseToken string          `json:"lease_token"`
}

// Failure is an error with a code that says what is to follow: PERMANENT_ERROR, INVALID_INPUT_ERROR. Any other error
// counts as TRANSIENT_ERROR and is tried again.
type Failure struct {
	Code    string `json:"code"`
	Message string `json:"message"`
}

func (f *Failure) Error() string { return f.Message }

// refusal is an answer that is no success; status 0: no answer at all.
type refusal struct {
	status     int
	message    string
	retryAfter time.Duration
}

func (r *refusal) Error() string { return fmt.Sprintf("%d: %s", r.status, r.message) }

type worker struct {
	url, token, id, bootID string
	skills                 map[string]Skill
	client                 http.Client
	beatEvery              time.Duration
	slots                  chan struct{}

	mu    sync.Mutex
	tasks map[string]*running
}

// running is one task in this worker's hands; the same task may come again, after its lease was lost.
type running struct{ cancel context.CancelFunc }

func newWorker(skills map[string]Skill) (*worker, error) {
	token := os.Getenv("WORKER_TOKEN")
	if token == "" {
		return nil, errors.New("set WORKER_TOKEN to the token of this worker")
	}
	return &worker{
		url:   strings.TrimRight(getenv("ORCHESTRATOR_URL", "http://localhost:8080"), "/") + "/_worker",
		token: token,
		id:    getenv("WORKER_ID", "go-"+random()),
		// New at every start: by it the orchestrator knows that the former process is gone, and what it held is free.
		bootID: random(),
		skills: skills,
		slots:  make(chan struct{}, concurrency),
		tasks:  map[string]*running{},
	}, nil
}

// run works until draining is done, and then until the last result is delivered.
func (w *worker) run(draining context.Context) error {
	if err := w.register(draining); err != nil {
		return err
	}
	done, end := context.WithCancel(context.Background())
	defer end()
	go w.keepBeating(draining, done)
	err := w.poll(draining)
	// Leaving: heartbeats go on, so that leases last until the last result is delivered.
	for i := 0; i < concurrency; i++ {
		w.slots <- struct{}{}
	}
	return err
}

func (w *worker) register(ctx context.Context) error {
	names := []string{}
	for name := range w.skills {
		names = append(names, name)
	}
	body := map[string]any{
		"worker_id": w.id, "worker_type": "go", "supported_skills": names,
		"max_concurrent_tasks": concurrency, "boot_id": w.bootID, "status": "idle",
	}
	for failures := 1; ; failures++ {
		var answer struct {
			HeartbeatSeconds float64 `json:"heartbeat_seconds"`
		}
		_, err := w.call(ctx, "POST", "/workers/register", body, &answer)
		if err == nil {
			w.beatEvery = seconds(math.Max(answer.HeartbeatSeconds, 0.1))
			log.Printf("registered as %s", w.id)
			return nil
		}
		switch statusOf(err) {
		case 400, 401, 403:
			return fmt.Errorf("the orchestrator does not take this worker: %w", err)
		}
		if !pause(ctx, backoff(failures, err)) {
			return ctx.Err()
		}
	}
}

// keepBeating says "alive", which renews the leases, and hears which tasks are to be stopped.
func (w *worker) keepBeating(draining, done context.Context) {
	failures, next := 0, w.beatEvery
	for pause(done, next) {
		w.mu.Lock()
		held := []string{}
		for id := range w.tasks {
			held = append(held, id)
		}
		w.mu.Unlock()
		status := "idle"
		if draining.Err() != nil {
			status = "draining"
		} else if len(held) > 0 {
			status = "busy"
		}
		var answer struct {
			Cancel []string `json:"cancel_task_ids"`
		}
		_, err := w.call(done, "PATCH", "/workers/"+w.id, map[string]any{"status": status, "current_tasks": held}, &answer)
		if err == nil {
			failures, next = 0, w.beatEvery
			for _, id := range answer.Cancel {
				w.stop(id)
			}
			continue
		}
		if statusOf(err) == 404 { // it has forgotten us
			_ = w.register(done)
		}
		failures++
		next = backoff(failures, err)
		if told := retryAfter(err); next > w.beatEvery && told < w.beatEvery {
			next = w.beatEvery
		}
	}
}

// poll takes tasks as long as there are free slots.
func (w *worker) poll(draining context.Context) error {
	failures := 0
	for {
		select {
		case <-draining.Done():
			return nil
		case w.slots <- struct{}{}:
		}
		var task Task
		// Not under the drain's context: an answer that is on its way carries a task.
		status, err := w.call(context.Background(), "GET", "/workers/"+w.id+"/tasks/next?timeout=5", nil, &task)
		if err == nil && status == http.StatusOK {
			failures = 0
			ctx, cancel := context.WithCancel(context.Background())
			w.mu.Lock()
			entry := &running{cancel}
			w.tasks[task.ID] = entry
			w.mu.Unlock()
			go w.work(ctx, entry, &task)
			continue
		}
		<-w.slots
		if err == nil {
			failures = 0
			continue
		}
		if statusOf(err) == 404 {
			if err := w.register(draining); err != nil {
				return err
			}
		}
		failures++
		pause(draining, backoff(failures, err))
	}
}

func (w *worker) work(ctx context.Context, entry *running, task *Task) {
	defer func() {
		entry.cancel()
		w.mu.Lock()
		if w.tasks[task.ID] == entry {
			delete(w.tasks, task.ID)
		}
		w.mu.Unlock()
		<-w.slots
	}()
	result := map[string]any{
		"worker_id": w.id, "job_id": task.JobID, "task_id": task.ID,
		"attempt": task.Attempt, "lease_token": task.LeaseToken,
	}
	data, err := w.execute(ctx, task)
	var failure *Failure
	switch {
	case ctx.Err() != nil:
		result["status"] = "cancelled"
	case err == nil:
		result["status"], result["data"] = "success", data
	case errors.As(err, &failure):
		result["status"], result["error"] = "failure", failure
	default:
		result["status"], result["error"] = "failure", &Failure{Code: "TRANSIENT_ERROR", Message: err.Error()}
	}
	w.deliver(task, result)
}

func (w *worker) execute(ctx context.Context, task *Task) (data any, err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	skill, known := w.skills[task.Type]
	if !known {
		return nil, &Failure{Code: "PERMANENT_ERROR", Message: "Unsupported task: " + task.Type}
	}
	return skill(ctx, task)
}

// deliver sends the result until it is answered. "ignored" is an answer: somebody else's came first.
func (w *worker) deliver(task *Task, result map[string]any) {
	for failures := 1; ; failures++ {
		var answer struct{ Status string }
		_, err := w.call(context.Background(), "POST", "/tasks/result", result, &answer)
		if err == nil {
			log.Printf("%s %s: %s, %s", task.Type, task.ID, result["status"], answer.Status)
			return
		}
		switch statusOf(err) {
		case 400, 401, 403, 413:
			log.Printf("%s: the result is refused: %v", task.ID, err)
			return
		}
		time.Sleep(backoff(failures, err))
	}
}

func (w *worker) stop(taskID string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if entry, held := w.tasks[taskID]; held {
		entry.cancel()
	}
}

// call sends one request and reads the answer into `into`.
func (w *worker) call(ctx context.Context, method, path string, body, into any) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 35*time.Second)
	defer cancel()
	var reader io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return 0, &refusal{status: 400, message: err.Error()}
		}
		reader = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, w.url+path, reader)
	if err != nil {
		return 0, err
	}
	request.Header.Set("X-Worker-Token", w.token)
	request.Header.Set("X-Worker-ID", w.id)
	request.Header.Set("Content-Type", "application/json")
	response, err := w.client.Do(request)
	if err != nil {
		return 0, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return 0, err
	}
	if response.StatusCode >= 300 {
		wait, _ := strconv.Atoi(response.Header.Get("Retry-After"))
		return 0, &refusal{response.StatusCode, string(text), time.Duration(wait) * time.Second}
	}
	if len(text) == 0 {
		return response.StatusCode, nil
	}
	return response.StatusCode, json.Unmarshal(text, into)
}

func statusOf(err error) int {
	var refused *refusal
	if errors.As(err, &refused) {
		return refused.status
	}
	return 0
}

func retryAfter(err error) time.Duration {
	var refused *refusal
	if errors.As(err, &refused) {
		return refused.retryAfter
	}
	return 0
}

// backoff doubles up to 30 s, differs from worker to worker, and is never shorter than what the server asked for.
func backoff(failures int, err error) time.Duration {
	wait := seconds(math.Min(30, 0.5*math.Pow(2, math.Min(float64(failures), 10))) * (0.5 + mathrand.Float64()/2))
	if told := retryAfter(err); told > wait {
		return told
	}
	return wait
}

// pause is true when the time has passed, false when the context ended first.
func pause(ctx context.Context, wait time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(wait):
		return true
	}
}

func seconds(n float64) time.Duration { return time.Duration(n * float64(time.Second)) }

func getenv(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func random() string {
	bytes := make([]byte, 8)
	if _, err := rand.Read(bytes); err != nil {
		panic(err)
	}
	return hex.EncodeToString(bytes)
}
