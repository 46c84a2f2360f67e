package daytona

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// maxErrorMessage is what the API keeps of an error message, in characters.
const maxErrorMessage = 10_000

// report is what a runner says about a job. A nil field was not said.
type report struct {
	status               string
	errorMessage, result *string
}

// readReport checks the form of a report and returns what is wrong with it.
func (s *Server) readReport(r *http.Request, id string) (report, []string) {
	f, err := readFields(r)
	if err != nil {
		return report{}, []string{err.Error()}
	}
	status, wrongStatus := f.choice("status", statuses())
	if status == pending || wrongStatus != "" {
		s.accuse(badStatus, id, fmt.Sprintf("a report with status %v", f["status"]))
	}
	rep := report{status: status}
	errorMessage, wrongError := f.text("errorMessage", true)
	if f["errorMessage"] != nil {
		rep.errorMessage = &errorMessage
	}
	result, wrongResult := f.text("resultMetadata", true)
	if f["resultMetadata"] != nil {
		rep.result = &result
		if wrongResult == "" && !json.Valid([]byte(result)) {
			wrongResult = "resultMetadata must be a json string"
		}
	}
	if wrongResult != "" {
		s.accuse(badResult, id, "resultMetadata is no string that holds JSON")
	}
	return rep, complaints(wrongStatus, wrongError, wrongResult)
}

// report applies what the runner says. Saying the same again is allowed, and has its effect again.
func (s *Server) report(j *job, rep report, now time.Time) error {
	s.judge(j, rep)
	if !lawful(j.status, rep.status) {
		return fmt.Errorf("Invalid job status transition from %s to %s for job %s", //nolint:staticcheck // Daytona's words
			j.status, rep.status, j.id)
	}
	j.reports++
	j.answerLost = false
	before := *j
	if rep.errorMessage != nil {
		j.errorMessage = truncate(*rep.errorMessage)
	}
	if rep.result != nil {
		j.result = rep.result
	}
	switch {
	case j.status != rep.status:
		if rep.status == inProgress {
			j.startedAt = now
		}
		s.settleAs(j, rep.status, "runner", now)
		return nil
	case j.errorMessage != before.errorMessage || !equal(j.result, before.result):
		// A row that does not change keeps its time.
		j.updatedAt = now
	}
	if j.settled() {
		s.complete(j, now)
	}
	return nil
}

func equal(a, b *string) bool { return a == b || a != nil && b != nil && *a == *b }

// lawful is the table of transitions.
func lawful(from, to string) bool {
	return from == to || slices.Contains(map[string][]string{
		pending:    {inProgress, failed},
		inProgress: {completed, failed},
	}[from], to)
}

// settleAs moves a job on, and runs the completion handler when it is settled by that.
func (s *Server) settleAs(j *job, status, by string, now time.Time) {
	j.to(status, now)
	if j.settled() {
		j.completedAt, j.settledBy = now, by
		s.complete(j, now)
	}
}

// truncate keeps the first line and the tail of an overlong message.
func truncate(text string) string {
	chars := []rune(text)
	if len(chars) <= maxErrorMessage {
		return text
	}
	first, _, _ := strings.Cut(text, "\n")
	head := []rune(first)
	head = append(head[:min(len(head), maxErrorMessage/2):min(len(head), maxErrorMessage/2)], []rune("\n…\n")...)
	return string(head) + string(chars[len(chars)-(maxErrorMessage-len(head)):])
}

// judge notes what a good runner would not report.
func (s *Server) judge(j *job, rep report) {
	switch {
	case j.startedAt.IsZero():
		s.accuseLocked(unclaimedJob, j.id, "a report for a job that was never handed out")
	case j.status == completed && rep.status == completed && !j.answerLost:
		s.accuseLocked(completedTwice, j.id, "a job reported COMPLETED again although the first report was answered")
	case j.settled() && rep.status != j.status && j.settledBy == "runner":
		s.accuseLocked(contradiction, j.id, fmt.Sprintf("a job reported %s after %s", rep.status, j.status))
	}
	if rep.status == failed && (rep.errorMessage == nil || *rep.errorMessage == "") {
		s.accuseLocked(withoutReason, j.id, "a job reported FAILED without errorMessage")
	}
	if rep.status == completed && wantsInfo(j.kind) && !hasInfo(rep.result) {
		s.accuseLocked(poorResult, j.id, j.kind+" COMPLETED without hash and sizeGB")
	}
}

// wantsInfo tells which results the API cannot do without.
func wantsInfo(kind string) bool {
	return kind == inspectSnapshot || kind == pullSnapshot || kind == buildSnapshot
}

func hasInfo(result *string) bool {
	f := parseFields(result)
	_, hasSize := f["sizeGB"].(float64)
	hash := f.str("hash")
	return hasSize && hash != "" && !strings.HasPrefix(hash, "sha256:")
}

// parseFields reads a JSON object that may be missing or none.
func parseFields(text *string) fields {
	f := fields{}
	if text == nil || json.Unmarshal([]byte(*text), &f) != nil || f == nil {
		return fields{}
	}
	return f
}

// readJSON reads a request of the desk, where a field that does not exist is a mistake worth telling.
func readJSON(r *http.Request, into any) error {
	decoder := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return fmt.Errorf("the body does not fit: %w", err)
	}
	return nil
}
