package cuttlefish

import (
	"context"
	"encoding/json"
	"fmt"
	"os/user"
	"time"

	"github.com/daytonaio/runner-android/internal/sim/instancedb"
	"github.com/daytonaio/runner-android/internal/sim/seqpacket"
)

// operatorLimit is how long the operator may take to answer.
const operatorLimit = 2 * time.Second

// preRegister tells the operator of a device that is to come. The connection has to stay until the device has
// booted, which is when the caller calls done. Without an operator the launch goes on.
func (c *cli) preRegister(g instancedb.Group, deviceID string) (done func()) {
	conn, err := c.announce(g, deviceID)
	if err != nil {
		fmt.Fprintf(c.err, "Failed to pre-register devices with operator, group_id: %s: %v\n", g.Name, err)
		return func() {}
	}
	return conn.Close
}

func (c *cli) announce(g instancedb.Group, deviceID string) (*seqpacket.Conn, error) {
	ctx, cancel := context.WithTimeout(context.Background(), operatorLimit)
	defer cancel()
	conn, err := seqpacket.Dial(ctx, c.root.OperatorControl())
	if err != nil {
		return nil, err
	}
	first := g.Instances[0]
	owner := ""
	if u, err := user.Current(); err == nil {
		owner = u.Username
	}
	err = conn.Send(map[string]any{
		"message_type": "pre-register", "group_name": g.Name, "owner": owner,
		"devices": []any{map[string]any{"id": deviceID, "name": first.Name, "adb_port": c.root.ADBPort(first.ID)}},
	})
	if err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetReadDeadline(time.Now().Add(operatorLimit))
	var verdicts []struct{ ID, Status, Message string }
	packet, err := conn.Receive()
	if err == nil {
		err = json.Unmarshal(packet, &verdicts)
	}
	if err != nil {
		conn.Close()
		return nil, err
	}
	for _, v := range verdicts {
		if v.Status != "accepted" {
			fmt.Fprintf(c.err, "Failed to pre-register device %s: %s\n", v.ID, v.Message)
		}
	}
	return conn, nil
}
