package daytona

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// order is what somebody asks the API for, in the desk's short form.
type order struct {
	Type      string `json:"type"`
	SandboxID string `json:"sandboxId"`
	// Snapshot is the text that the payload's snapshot, or a removal's resource, becomes.
	Snapshot string `json:"snapshot"`
	// Payload is laid over the recorded payload, member by member; null is no payload at all.
	Payload json.RawMessage `json:"payload"`
	// Omit drops members of the recorded payload.
	Omit []string `json:"omit"`
	// PayloadText is sent as it is, JSON or not.
	PayloadText  *string         `json:"payloadText"`
	Generation   generation      `json:"generation"`
	TraceContext json.RawMessage `json:"traceContext"`
	ResourceID   string          `json:"resourceId"`
	ResourceType string          `json:"resourceType"`
	// Force orders a CREATE_SANDBOX from an unresponsive runner.
	Force bool `json:"force"`
	// Backup orders a CREATE_BACKUP of the sandbox right behind the job.
	Backup bool `json:"backup"`
	// Archive makes a DESTROY_SANDBOX the last step of archiving.
	Archive bool `json:"archive"`
	// Ephemeral makes a created sandbox one that gets no hourly backups.
	Ephemeral bool `json:"ephemeral"`

	origin string
}

// snapshotText is the snapshot that the order names.
func (o order) snapshotText() string {
	if text := parsePayload(o.Payload).str("snapshot"); text != "" {
		return text
	}
	if o.Snapshot != "" {
		return o.Snapshot
	}
	return defaultSnapshot
}

func parsePayload(raw json.RawMessage) fields {
	text := string(raw)
	return parseFields(&text)
}

// errUnresponsive is Daytona's scheduler, which would not choose this runner.
var errUnresponsive = errors.New(`the runner is unresponsive and gets no new sandboxes: wait for its healthcheck, or add "force": true`)

// check finds what no job can be made of.
func (o order) check() error {
	switch {
	case o.Type == "":
		return errors.New(`type is missing: want for example {"type": "CREATE_SANDBOX", "sandboxId": "dev1"}`)
	case o.Generation != "" && o.Generation != generationNew && o.Generation != generationFeb:
		return fmt.Errorf("generation %q is not known; there are %s and %s", o.Generation, generationNew, generationFeb)
	case len(o.TraceContext) > 0 && o.TraceContext[0] != '{':
		return errors.New("traceContext must be an object")
	}
	return nil
}

// aboutSnapshot tells the types whose resource is a snapshot.
func aboutSnapshot(kind string) bool {
	return slices.Contains([]string{pullSnapshot, buildSnapshot, removeSnapshot, inspectSnapshot}, kind)
}

// aboutSandbox tells the types whose payload or effect is a sandbox's.
func aboutSandbox(kind string) bool {
	return slices.Contains([]string{
		createSandbox, startSandbox, stopSandbox, destroySandbox, resizeSandbox, recoverSandbox, updateNetwork, createBackup,
		snapshotSandbox, forkSandbox, pauseSandbox,
	}, kind)
}

// insert makes a job of an order, and changes the row of its resource as the API does then.
func (s *Server) insert(o order, now time.Time) (*job, error) {
	if o.Type == createSandbox && s.runner.state == runnerUnresponsive && !o.Force {
		return nil, errUnresponsive
	}
	j := &job{kind: o.Type, resourceType: o.ResourceType, resourceID: o.ResourceID, trace: o.TraceContext, origin: o.origin}
	var sb *sandbox
	if aboutSandbox(o.Type) || !aboutSnapshot(o.Type) && (o.ResourceType == "" || o.ResourceType == sandboxResource) {
		id, err := o.sandboxID()
		if err != nil {
			return nil, err
		}
		if sb, err = s.ensureSandbox(id, o.Generation, now); err != nil {
			return nil, err
		}
		sb.rename(o)
	}
	o.Generation = o.dialect(sb)
	j.generation = o.Generation
	var err error
	if j.payload, err = s.payload(o, sb, now); err != nil {
		return nil, err
	}
	if err := j.resource(o, sb); err != nil {
		return nil, err
	}
	if err := s.jobs.add(j, now); err != nil {
		return nil, err
	}
	if j.resourceType == snapshotResource {
		s.snapshotOrdered(j, now)
	} else {
		s.sandboxOrdered(j, o, sb, now)
	}
	s.wake()
	return j, nil
}

// sandboxID is the sandbox of an order; a created one without id gets one as the API would give it.
func (o order) sandboxID() (string, error) {
	switch {
	case o.SandboxID != "":
		return o.SandboxID, nil
	case o.ResourceID != "" && o.Type != forkSandbox:
		return o.ResourceID, nil
	case o.Type == createSandbox:
		return newID(), nil
	}
	return "", fmt.Errorf("sandboxId is missing: %s needs one", o.Type)
}

// dialect is the order's, else that in which the sandbox was made.
func (o order) dialect(sb *sandbox) generation {
	switch {
	case o.Generation != "":
		return o.Generation
	case sb != nil && sb.generation != "":
		return sb.generation
	}
	return generationNew
}

// rename takes a created sandbox's name from its payload, so that the metadata say the same.
func (sb *sandbox) rename(o order) {
	if name := parsePayload(o.Payload).str("name"); name != "" && o.Type == createSandbox {
		sb.name = name
	}
}

// resource fills in what the job is about where the order does not say.
func (j *job) resource(o order, sb *sandbox) error {
	payload := parseFields(j.payload)
	kind, id := sandboxResource, ""
	switch o.Type {
	case pullSnapshot:
		kind, id = snapshotResource, payload.str("destinationRef")
		if id == "" {
			id = payload.str("snapshot")
		}
	case buildSnapshot, inspectSnapshot:
		kind, id = snapshotResource, payload.str("snapshot")
	case removeSnapshot:
		kind, id = snapshotResource, o.Snapshot
	case forkSandbox:
		id = payload.str("newSandboxId")
	default:
		if sb != nil {
			id = sb.id
		}
	}
	if j.resourceType == "" {
		j.resourceType = kind
	}
	if j.resourceID == "" {
		j.resourceID = id
	}
	if j.resourceID == "" {
		return fmt.Errorf("resourceId is missing: %s needs one", o.Type)
	}
	return nil
}

// orderJob is the desk's counter.
func (s *Server) orderJob(r *http.Request) answer {
	var o order
	if err := readJSON(r, &o); err != nil {
		return refused(http.StatusBadRequest, err.Error())
	}
	wait, err := waitOf(r)
	if err == nil {
		err = o.check()
	}
	if err != nil {
		return refused(http.StatusBadRequest, err.Error())
	}
	o.origin = "desk"
	j, err := s.place(o)
	switch {
	case errors.Is(err, errInProgress), errors.Is(err, errUnresponsive), errors.Is(err, errManySandboxes):
		return refused(http.StatusConflict, err.Error())
	case err != nil:
		return refused(http.StatusBadRequest, err.Error())
	}
	status := http.StatusCreated
	if wait > 0 {
		status = http.StatusAccepted
		if s.await(r, wait, func(time.Time) bool { return j.settled() }) {
			status = http.StatusOK
		}
	}
	s.enter()
	defer s.mu.Unlock()
	return answer{status: status, body: s.record(j)}
}

func (s *Server) place(o order) (*job, error) {
	now := s.enter()
	defer s.mu.Unlock()
	j, err := s.insert(o, now)
	if err == nil && o.Backup {
		backup := order{Type: createBackup, SandboxID: j.resourceID, Generation: o.Generation, origin: "desk"}
		if _, err = s.insert(backup, now); errors.Is(err, errInProgress) {
			err = nil // there is one already, which is what was wanted
		}
	}
	return j, err
}
