package host

import (
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"github.com/daytonaio/runner-android/internal/fault"
)

// DeviceUser is the user that owns the devices: cvd and all that it starts run as that user.
type DeviceUser struct {
	Name   string
	UID    int
	GID    int
	Groups []int  // supplementary groups: kvm, cvdnetwork, render, ...
	Home   string // of the passwd database; cvd takes any other HOME for the group's home
}

// LookupOwner returns the owner of path (CVD_HOME). A uid without a passwd entry is refused:
// cvd compares HOME with the passwd database, and without a home there, all groups would share
// one directory and clobber each other's disks.
func LookupOwner(path string) (DeviceUser, error) {
	info, err := os.Stat(path)
	if err != nil {
		return DeviceUser{}, wrap("find the user that owns the devices", err)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return DeviceUser{}, fault.Internalf("find the user that owns the devices: %s has no owner", path)
	}
	uid := strconv.FormatUint(uint64(st.Uid), 10)
	entry, err := user.LookupId(uid)
	if err != nil {
		return DeviceUser{}, fault.Wrap(fault.Invalid, fmt.Sprintf(
			"%s belongs to uid %s, which has no entry in the passwd database: give it to the user that shall run cvd",
			path, uid), err)
	}
	return fromEntry(entry)
}

func fromEntry(entry *user.User) (DeviceUser, error) {
	op := "look up user " + entry.Username
	ids, err := entry.GroupIds()
	if err != nil {
		return DeviceUser{}, fault.Wrap(fault.Invalid, op, err)
	}
	u := DeviceUser{Name: entry.Username, Home: entry.HomeDir}
	if u.UID, err = strconv.Atoi(entry.Uid); err != nil {
		return DeviceUser{}, fault.Wrap(fault.Invalid, op, err)
	}
	if u.GID, err = strconv.Atoi(entry.Gid); err != nil {
		return DeviceUser{}, fault.Wrap(fault.Invalid, op, err)
	}
	for _, id := range ids {
		gid, err := strconv.Atoi(id)
		if err != nil {
			return DeviceUser{}, fault.Wrap(fault.Invalid, op, err)
		}
		u.Groups = append(u.Groups, gid)
	}
	return u, nil
}

// credential returns what a command must become; nil when the runner is that user already.
func (u DeviceUser) credential() *syscall.Credential {
	if os.Geteuid() == u.UID {
		return nil
	}
	groups := make([]uint32, len(u.Groups))
	for i, g := range u.Groups {
		groups[i] = uint32(g)
	}
	return &syscall.Credential{Uid: uint32(u.UID), Gid: uint32(u.GID), Groups: groups}
}
