// Package ports is the loopback interface of the simulated guest: which TCP ports listen there,
// and connections to them.
//
// A [Registry] belongs to one boot. Connections are host socket pairs, so they have buffers,
// deadlines and a half-closed state as real ones do, and no port of the host is used. Table renders
// the listening ports as /proc/net/tcp does.
package ports
