// Package inject makes the simulated host misbehave on request.
//
// Words: a *rule* is a fault and what it applies to. A *call fault* changes one call of a command
// ("the second create of group s_1 hangs"); it is counted when the command begins. A *device fault*
// holds while its rule is there ("the ADB of instance 3 does not answer"), and so does a *host fault*, which is
// about no device in particular ("the operator is down"). The rules are a JSON list
// in one file, read again whenever it changed, so that a person, a test or "cvd-sim inject" can edit it
// while devices run; the counts are in a second file beside it.
//
//	[{"id": "r1", "match": {"command": "create", "nth": 2}, "fault": "exit:1:no luck"}]
//
// The package refuses faults that it does not know; docs/simulator.md lists them all.
package inject
