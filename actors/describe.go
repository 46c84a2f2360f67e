package actors

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/daytonaio/runner-android/actors/kernel"
	"github.com/daytonaio/runner-android/internal/sandbox"
	"github.com/daytonaio/runner-android/messages"
)

// describedTransitions is how many transitions of a sandbox the tree shows.
const describedTransitions = 10

// nodeOf describes an actor from its vital signs alone, which also works while it is down.
func nodeOf(v *kernel.Vitals) messages.Node {
	health, since, restarts, lastError := v.Report()
	return messages.Node{
		Path: v.Path, Kind: v.Kind, State: string(health), Since: since,
		Mailbox: v.Depth(), Restarts: restarts, LastError: lastError,
	}
}

// described returns what builds the tree. A sandbox that did not answer in time is busy, unless
// supervision knows better.
func (r *Root) described(orphans string) func(answers) any {
	return func(a answers) any { return r.tree(a, orphans) }
}

func (r *Root) tree(a answers, orphans string) messages.Node {
	node := nodeOf(r.self.Vitals())
	node.Facts = map[string]string{"sandboxes": strconv.Itoa(len(a.refs))}
	if orphans != "" {
		node.Facts["orphans"] = orphans
	}
	for _, ref := range []*kernel.Ref{r.world.allocator, r.world.snapshots, r.world.jobs, r.world.crashes} {
		if ref != nil {
			node.Children = append(node.Children, r.world.describeOne(ref))
		}
	}
	for id, ref := range a.refs {
		child, ok := a.said[id].(messages.Node)
		if !ok {
			child = silent(ref)
		}
		node.Children = append(node.Children, child)
	}
	slices.SortFunc(node.Children, func(a, b messages.Node) int { return strings.Compare(a.Path, b.Path) })
	return node
}

// describe answers the tree query for a sandbox.
func (s *Sandbox) describe() messages.Node {
	node := nodeOf(s.self.Vitals())
	node.State, node.Since = string(s.state), s.since
	f := s.device.Facts()
	node.Facts = map[string]string{"group": f.Group, "intent": string(f.Intent)}
	if f.Instance != 0 {
		node.Facts["instance"] = strconv.Itoa(int(f.Instance))
		node.Facts["adb_serial"] = f.ADBSerial
		node.Facts["adb_port"] = strconv.Itoa(f.ADBPort)
		node.Facts["vsock_cid"] = strconv.Itoa(f.Instance.VsockCID())
	}
	for name, pid := range map[string]int{
		"cvd_pid": f.LaunchPID, "crosvm_pid": s.seen.CrosvmPID, "run_cvd_pid": s.seen.LauncherPID,
	} {
		if pid != 0 {
			node.Facts[name] = strconv.Itoa(pid)
		}
	}
	if !s.nextTick.IsZero() {
		node.Facts["next_health_tick"] = s.nextTick.UTC().Format(time.RFC3339)
	}
	if !s.seen.At.IsZero() {
		node.Facts["observed_at"] = s.seen.At.UTC().Format(time.RFC3339)
	}
	if s.absences > 0 {
		node.Facts["misses"] = s.missCount()
	}
	if text := s.capture.describe(); text != "" {
		node.Facts["snapshot"] = text
	}
	if text := s.restarts(); text != "" {
		node.Facts["restarts"] = text
	}
	if at, _, term := s.ends(); s.state == sandbox.Started && !at.IsZero() {
		node.Facts["stops_at"] = at.UTC().Format(time.RFC3339) + " (" + term + ")"
	}
	node.Evidence, node.Transitions = s.evidence(), s.journal.last(describedTransitions)
	if s.reason != "" && node.LastError == "" {
		node.LastError = s.reason
	}
	if s.op != nil {
		node.Operation, node.OpSince = s.op.describe(), s.op.since
	}
	return node
}

func (w *world) describeOne(ref *kernel.Ref) messages.Node {
	ctx, cancel := context.WithTimeout(w.life, gatherLimit)
	defer cancel()
	answer, err := ref.Ask(ctx, messages.Describe{})
	if node, ok := answer.(messages.Node); err == nil && ok {
		return node
	}
	return silent(ref)
}

// silent describes an actor that did not answer in time: it is busy, unless supervision knows better.
func silent(ref *kernel.Ref) messages.Node {
	node := nodeOf(ref.Vitals())
	if node.State == string(kernel.Running) {
		node.State = "busy"
	}
	return node
}
