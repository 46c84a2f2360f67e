package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// desk orders jobs from the simulated Daytona API of the lab's host.
type desk struct {
	url    string
	client *http.Client
}

func (l *lab) desk() (desk, error) {
	for _, kv := range l.env {
		if url, ok := strings.CutPrefix(kv, "DAYTONA_API_URL="); ok {
			return desk{strings.TrimSuffix(url, "/api") + "/sim", &http.Client{Timeout: 2 * time.Minute}}, nil
		}
	}
	return desk{}, fmt.Errorf("the host exports no DAYTONA_API_URL")
}

// jobRecord is what the API knows of a job.
type jobRecord struct {
	ID           string    `json:"id"`
	Status       string    `json:"status"`
	ErrorMessage string    `json:"errorMessage"`
	Reports      int       `json:"reports"`
	StartedAt    time.Time `json:"startedAt"` // when it was claimed
}

func (d desk) call(ctx context.Context, method, path string, body, into any) error {
	data, err := json.Marshal(body)
	if err != nil {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, method, d.url+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	resp, err := d.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 32<<20))
	if err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return fmt.Errorf("%s %s: %s %.300s", method, path, resp.Status, answer)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(answer, into)
}

// order puts a job of a sandbox into the queue.
func (d desk) order(ctx context.Context, kind, id string) (job jobRecord, err error) {
	body := map[string]any{
		"type": kind, "sandboxId": id, "force": true,
		"payload": map[string]any{"cpuQuota": 1, "memoryQuota": 2, "storageQuota": 8},
	}
	if kind != "CREATE_SANDBOX" {
		delete(body, "payload")
	}
	err = d.call(ctx, http.MethodPost, "/jobs", body, &job)
	return job, err
}

// settled waits until the job is settled.
func (d desk) settled(ctx context.Context, job jobRecord) (jobRecord, error) {
	err := d.call(ctx, http.MethodGet, "/jobs/"+job.ID+"?wait=90s", nil, &job)
	if err == nil && job.Status != "COMPLETED" && job.Status != "FAILED" {
		err = fmt.Errorf("job %s is %s after 90 s", job.ID, job.Status)
	}
	return job, err
}

// do orders a job and wants it completed.
func (d desk) do(ctx context.Context, kind, id string) (jobRecord, error) {
	job, err := d.order(ctx, kind, id)
	if err == nil {
		job, err = d.settled(ctx, job)
	}
	if err == nil && job.Status != "COMPLETED" {
		err = fmt.Errorf("%s of %s: %s %s", kind, id, job.Status, job.ErrorMessage)
	}
	return job, err
}
