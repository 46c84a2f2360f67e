package wire

// What this runner does not do, in sentences for whoever asked, over REST or by a job.
const (
	NoBuild     = "Android images are not built from Dockerfiles: put the image below the host's artifacts directory and pull it by name"
	NoFork      = "a running Android device cannot be forked: crosvm's virtio-fs cannot be suspended with the device"
	NoPause     = "an Android device cannot be paused: crosvm's virtio-fs cannot be suspended with the device; stop it instead"
	NoBuildLogs = "there are no build logs: this runner builds nothing"
)
