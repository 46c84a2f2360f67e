// Package wire has the words that Daytona and a runner exchange: the bodies of the runner's REST
// routes, which are the payloads of jobs as well, the job itself, and the healthcheck.
//
// Words: a DTO has the name and the fields of the one in Daytona's runner (daytona:
// apps/runner/pkg/api/dto); a payload is the JSON text that a job carries; a generation is a
// release of Daytona's API: February 2026 (v0.139) or v0.190, whose payloads differ.
//
// Whatever is optional may be null. Fields that mean nothing to Android are read all the same, so
// that a wrong type is refused as Daytona's runner refuses it; unknown fields are ignored.
//
// A DTO knows how to become the runner's own nouns (internal/sandbox), and says with a field's
// name what is wrong with it: errors are of kind Invalid, or Unsupported for what Android lacks.
// The package refuses to know HTTP, queues and actors. Checked against v0.190.0 and 6 Feb 2026.
//
//	var dto wire.CreateSandboxDTO
//	err := json.Unmarshal(body, &dto)
//	id, spec, err := dto.Spec()
package wire
