package toybox

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

func androidApplets() map[string]Applet {
	return map[string]Applet{
		"getprop": getprop, "setprop": setprop, "reboot": reboot,
		"getenforce": getenforce, "id": id, "whoami": whoami, "groups": groupsApplet,
	}
}

func getprop(c *Call) int {
	o, ok := c.parse("TZ")
	if !ok {
		return 1
	}
	if len(o.args) > 0 {
		value := c.Sys.Property(o.args[0])
		if value == "" && len(o.args) > 1 {
			value = o.args[1]
		}
		c.printf("%s\n", value)
		return 0
	}
	all := c.Sys.Properties()
	out := c.buffered()
	defer out.Flush()
	for _, name := range slices.Sorted(maps.Keys(all)) {
		fmt.Fprintf(out, "[%s]: [%s]\n", name, all[name])
	}
	return 0
}

func setprop(c *Call) int {
	if len(c.Args) != 3 {
		return c.needs(2)
	}
	if err := c.Sys.SetProperty(c.Args[1], c.Args[2]); err != nil {
		return c.fail("failed to set property '%s' to '%s'", c.Args[1], c.Args[2])
	}
	return 0
}

func reboot(c *Call) int {
	o, ok := c.parse("p")
	if !ok {
		return 1
	}
	how := "reboot"
	if len(o.args) > 0 {
		how += "," + o.args[0]
	}
	if o.flags['p'] {
		how = "shutdown"
	}
	c.Sys.Power(how)
	<-c.Ctx.Done()
	return 1
}

func getenforce(c *Call) int {
	c.printf("Permissive\n")
	return 0
}

func id(c *Call) int {
	o, ok := c.parse("ugGnrZ")
	if !ok {
		return 1
	}
	v := c.View
	name := func(id int) string {
		if o.flags['n'] {
			return userName(id)
		}
		return strconv.Itoa(id)
	}
	switch {
	case o.flags['u']:
		c.printf("%s\n", name(v.UID))
		return 0
	case o.flags['g']:
		c.printf("%s\n", name(v.GID))
		return 0
	}
	all := append([]int{v.GID}, v.Groups...)
	if o.flags['G'] {
		var text []string
		for _, g := range all {
			text = append(text, name(g))
		}
		c.printf("%s\n", strings.Join(text, " "))
		return 0
	}
	var text []string
	for _, g := range all {
		text = append(text, fmt.Sprintf("%d(%s)", g, userName(g)))
	}
	context := map[bool]string{true: "u:r:su:s0", false: "u:r:shell:s0"}[v.UID == 0]
	c.printf("uid=%d(%s) gid=%d(%s) groups=%s context=%s\n", v.UID, userName(v.UID), v.GID, userName(v.GID),
		strings.Join(text, ","), context)
	return 0
}

func whoami(c *Call) int {
	c.printf("%s\n", userName(c.View.UID))
	return 0
}

func groupsApplet(c *Call) int {
	text := []string{userName(c.View.GID)}
	for _, g := range c.View.Groups {
		text = append(text, userName(g))
	}
	c.printf("%s\n", strings.Join(text, " "))
	return 0
}
