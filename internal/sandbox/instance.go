package sandbox

import (
	"fmt"
	"net"
	"strconv"
)

// Instance is the number of a device on its host, from 1. The numbers derived from it are
// Cuttlefish's own arithmetic for groups of one instance.
type Instance int

// MaxInstance is the ceiling that the address plan of Cuttlefish's taps sets.
const MaxInstance = 128

// Valid reports whether the number can name a device.
func (n Instance) Valid() bool { return n >= 1 && n <= MaxInstance }

// String returns the device's name below its group: "cvd-3".
func (n Instance) String() string { return "cvd-" + strconv.Itoa(int(n)) }

// ADBPort returns the TCP port on which the device's adbd is reached.
func (n Instance) ADBPort(base int) int { return base + int(n) - 1 }

// Serial returns the name under which ADB clients know the device.
func (n Instance) Serial(base int) string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(n.ADBPort(base)))
}

// The ports of the devices' video, TCP and UDP alike. All Cuttlefish devices share one range of fifty unless they
// are told otherwise, and each viewer takes one for every interface of the host.
const (
	webRTCBase  = 15550
	webRTCPorts = 100
)

// WebRTCPorts returns the first and the last port on which the device's viewers reach its video.
func (n Instance) WebRTCPorts() (first, last int) {
	first = webRTCBase + webRTCPorts*(int(n)-1)
	return first, first + webRTCPorts - 1
}

// VsockCID returns the guest's vsock address.
func (n Instance) VsockCID() int { return int(n) + 2 }

// Taps returns the names of the device's network interfaces on the host: mobile, Ethernet,
// and Wi-Fi (which newer hosts call wifiap).
func (n Instance) Taps() []string {
	return []string{fmt.Sprintf("cvd-mtap-%02d", int(n)), fmt.Sprintf("cvd-etap-%02d", int(n)), fmt.Sprintf("cvd-wtap-%02d", int(n))}
}
