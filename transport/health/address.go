package health

import (
	"context"
	"net"
)

// OwnAddress is the address of the interface that the default route goes through, as others are
// likely to reach this host by. Nothing is sent: a UDP socket only asks the kernel for the route.
// Empty when there is none.
func OwnAddress(ctx context.Context) string {
	conn, err := (&net.Dialer{}).DialContext(ctx, "udp", "192.0.2.1:9") // a documentation address (RFC 5737)
	if err != nil {
		return ""
	}
	defer conn.Close()
	local, ok := conn.LocalAddr().(*net.UDPAddr)
	if !ok {
		return ""
	}
	return local.IP.String()
}
