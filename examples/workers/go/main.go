// A worker in Go, with nothing but the standard library.
//
//	ORCHESTRATOR_URL=http://localhost:8080 WORKER_TOKEN=... go run .
//
// Put your own work into `skills`; the rest (protocol.go) can stay as it is.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

// A Skill does the work of one task. What it returns is the data of the result. Its context is cancelled when nobody
// waits for that any more.
type Skill func(ctx context.Context, task *Task) (any, error)

var skills = map[string]Skill{
	"text.count_words": countWords,
	"demo.wait":        wait,
}

func countWords(_ context.Context, task *Task) (any, error) {
	var params struct{ Text *string }
	if err := json.Unmarshal(task.Params, &params); err != nil || params.Text == nil {
		return nil, &Failure{Code: "INVALID_INPUT_ERROR", Message: "params.text must be a text"}
	}
	words := map[string]int{}
	for _, word := range strings.Fields(strings.ToLower(*params.Text)) {
		words[word]++
	}
	return map[string]any{"words": words}, nil
}

// Something slow that can be stopped.
func wait(ctx context.Context, task *Task) (any, error) {
	params := struct{ Seconds float64 }{Seconds: 1}
	if err := json.Unmarshal(task.Params, &params); err != nil {
		return nil, &Failure{Code: "INVALID_INPUT_ERROR", Message: err.Error()}
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(time.Duration(params.Seconds * float64(time.Second))):
		return map[string]any{"waited": true}, nil
	}
}

func main() {
	worker, err := newWorker(skills)
	if err != nil {
		log.Fatal(err)
	}
	// The first signal drains: no more tasks, but those that run are finished and answered.
	draining, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := worker.run(draining); err != nil && !errors.Is(err, context.Canceled) {
		log.Fatal(err)
	}
}
