package daytona

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"time"
)

const maxSnapshots = 1000

// snapshot is a row of what the runner has, by ref, with the names that users know it by.
type snapshot struct {
	ref, state, errorReason string
	names                   []string
	hash                    string
	sizeGB                  float64
	entrypoint, cmd         any
	updatedAt               time.Time
}

// States of a snapshot on a runner.
const (
	pullingSnapshot  = "pulling_snapshot"
	buildingSnapshot = "building_snapshot"
	snapshotReady    = "ready"
	snapshotError    = "error"
	removingSnapshot = "removing"
	onlyInspected    = "inspected" // the desk's word: nothing of it is on the runner
)

func (s *Server) findSnapshot(ref string) *snapshot {
	for _, sn := range s.snapshots {
		if sn.ref == ref {
			return sn
		}
	}
	return nil
}

func (s *Server) ensureSnapshot(ref, state string, now time.Time) *snapshot {
	if sn := s.findSnapshot(ref); sn != nil {
		return sn
	}
	sn := &snapshot{ref: ref, state: state, updatedAt: now}
	s.snapshots = keepLast(append(s.snapshots, sn), maxSnapshots)
	return sn
}

// snapshotOrdered notes that a job about a snapshot was ordered.
func (s *Server) snapshotOrdered(j *job, now time.Time) {
	state, known := map[string]string{
		pullSnapshot: pullingSnapshot, buildSnapshot: buildingSnapshot, removeSnapshot: removingSnapshot,
	}[j.kind]
	if !known {
		return
	}
	sn := s.ensureSnapshot(j.resourceID, state, now)
	sn.state, sn.errorReason, sn.updatedAt = state, "", now
}

// completeSnapshot is the completion handler of jobs about snapshots.
func (s *Server) completeSnapshot(j *job, now time.Time) {
	result := parseFields(j.result)
	switch j.kind {
	case pullSnapshot, buildSnapshot:
		sn := s.ensureSnapshot(j.resourceID, snapshotReady, now)
		sn.updatedAt = now
		if j.status != completed {
			sn.state, sn.errorReason = snapshotError, j.errorMessage
			return
		}
		sn.state, sn.errorReason = snapshotReady, ""
		sn.learn(result)
	case removeSnapshot:
		if j.status == completed {
			s.snapshots = slices.DeleteFunc(s.snapshots, func(sn *snapshot) bool { return sn.ref == j.resourceID })
		}
	case inspectSnapshot:
		// Whoever asked has waited so long and no longer.
		if j.status == completed && !now.After(j.createdAt.Add(s.scaled(inspectionLimit))) {
			s.ensureSnapshot(j.resourceID, onlyInspected, now).learn(result)
		}
	}
}

func (sn *snapshot) learn(result fields) {
	if hash := result.str("hash"); hash != "" {
		sn.hash = hash
	}
	if size := result.number("sizeGB"); size > 0 {
		sn.sizeGB = size
	}
	sn.entrypoint, sn.cmd = result["entrypoint"], result["cmd"]
}

// snapshotTaken makes the row of a snapshot that was taken of a sandbox.
func (s *Server) snapshotTaken(j *job, now time.Time) {
	payload, result := parseFields(j.payload), parseFields(j.result)
	name := payload.str("name")
	ref := refOf(name, payload, result)
	sn := s.ensureSnapshot(ref, snapshotReady, now)
	sn.state, sn.errorReason, sn.updatedAt = snapshotReady, "", now
	sn.learn(result)
	for _, other := range s.snapshots {
		other.names = slices.DeleteFunc(other.names, func(n string) bool { return n == name })
	}
	sn.names = append(sn.names, name)
}

// refOf is the runner's own ref, else one made of the hash, else the name.
func refOf(name string, payload, result fields) string {
	ref, hash := result.str("ref"), result.str("hash")
	registry, hasRegistry := payload["registry"].(map[string]any)
	switch {
	case ref != "":
		return ref
	case hash == "":
		return name
	case !hasRegistry:
		return "daytona-" + hash
	}
	project := fields(registry).str("project")
	if project == "" {
		project = registryProject
	}
	return fmt.Sprintf("%s/%s/daytona-%s:daytona", fields(registry).str("url"), project, hash)
}

// destinationRef is where a pull should put a snapshot: the API makes it of the hash that an inspection
// told. Without one the double makes the hash up, distinct for each text.
func (s *Server) destinationRef(text string) string {
	hash := ""
	if sn := s.findSnapshot(text); sn != nil {
		hash = sn.hash
	}
	if hash == "" {
		sum := sha256.Sum256([]byte(text))
		hash = hex.EncodeToString(sum[:])
	}
	return fmt.Sprintf("%s/%s/daytona-%s:daytona", registryHost, registryProject, hash)
}
