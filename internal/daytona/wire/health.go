package wire

// HealthcheckDTO is the body of POST /runners/healthcheck: where the runner is reached and how it is.
type HealthcheckDTO struct {
	AppVersion    string             `json:"appVersion"`         // required
	Domain        string             `json:"domain,omitempty"`   // host without port: where the SSH gateway connects
	ProxyURL      string             `json:"proxyUrl,omitempty"` // where the proxy connects
	APIURL        string             `json:"apiUrl,omitempty"`   // where the API connects
	ServiceHealth []ServiceHealthDTO `json:"serviceHealth"`
	Metrics       *RunnerTotalsDTO   `json:"metrics,omitempty"`
}

// ServiceHealthDTO is one helper of the runner. One that is not healthy takes the host out of
// Daytona's rotation.
type ServiceHealthDTO struct {
	ServiceName string `json:"serviceName"`
	Healthy     bool   `json:"healthy"`
	ErrorReason string `json:"errorReason,omitempty"`
}

// RunnerMetricsDTO is the host's load and what was promised of it.
type RunnerMetricsDTO struct {
	CPULoadAverage     float64 `json:"currentCpuLoadAverage"` // of 15 minutes, per CPU
	CPUPercent         float64 `json:"currentCpuUsagePercentage"`
	MemoryPercent      float64 `json:"currentMemoryUsagePercentage"`
	DiskPercent        float64 `json:"currentDiskUsagePercentage"`
	AllocatedCPUs      float64 `json:"currentAllocatedCpu"` // of running sandboxes, as is memory
	AllocatedMemoryGiB float64 `json:"currentAllocatedMemoryGiB"`
	AllocatedDiskGiB   float64 `json:"currentAllocatedDiskGiB"` // of all
	Snapshots          int     `json:"currentSnapshotCount"`
	StartedSandboxes   int     `json:"currentStartedSandboxes"`
}

// RunnerTotalsDTO is the same with what the host has in all. Each total is above 0, or Daytona's
// score of the runner is not a number. GPUs are never reported: a host that has some is kept for
// sandboxes that want them.
type RunnerTotalsDTO struct {
	RunnerMetricsDTO
	CPUs      int     `json:"cpu"`
	MemoryGiB float64 `json:"memoryGiB"`
	DiskGiB   float64 `json:"diskGiB"`
}

// RunnerInfoDTO answers GET /info. Daytona does not know the field of its own registration.
type RunnerInfoDTO struct {
	ServiceHealth []ServiceHealthDTO `json:"serviceHealth,omitempty"`
	Metrics       *RunnerMetricsDTO  `json:"metrics,omitempty"`
	AppVersion    string             `json:"appVersion"`
	Daytona       RegistrationDTO    `json:"daytona"`
}

// RegistrationDTO says whether Daytona knows the runner.
type RegistrationDTO struct {
	Registered bool   `json:"registered"`       // the last healthcheck was taken
	APIURL     string `json:"apiUrl,omitempty"` // empty: none is set
	Since      string `json:"since,omitempty"`  // of Registered, RFC 3339
	Reason     string `json:"reason,omitempty"` // why it is not registered
}

// RunnerDTO answers GET /runners/me, as far as it is read.
type RunnerDTO struct {
	ID            string `json:"id"`
	Name          string `json:"name"`
	Region        string `json:"region"`
	State         string `json:"state"`
	APIVersion    string `json:"apiVersion"`
	SandboxClass  string `json:"class"`
	Unschedulable bool   `json:"unschedulable"`
}

// SandboxDTO is a sandbox as GET /sandbox/for-runner lists it, as far as it is read.
type SandboxDTO struct {
	ID           string `json:"id"`
	State        string `json:"state"`
	DesiredState string `json:"desiredState"`
}

// SandboxStateDTO is the body of PUT /sandbox/{id}/state.
type SandboxStateDTO struct {
	State       string `json:"state"` // a word of Daytona's API
	ErrorReason string `json:"errorReason,omitempty"`
	Recoverable *bool  `json:"recoverable,omitempty"`
}
