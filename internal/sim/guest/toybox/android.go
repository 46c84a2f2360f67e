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
		"getprop": getprop, "setprop": setprop, "settings": settings, "wm": wm, "reboot": reboot,
		"logcat": logcat, "getenforce": getenforce, "id": id, "whoami": whoami, "groups": groupsApplet,
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

func settings(c *Call) int {
	args := slices.DeleteFunc(slices.Clone(c.Args[1:]), func(s string) bool { return strings.HasPrefix(s, "--") })
	if len(args) < 2 || !slices.Contains([]string{"system", "secure", "global"}, args[1]) {
		fmt.Fprintln(c.Err, "usage: settings get|put|delete|list system|secure|global [KEY [VALUE]]")
		return 255
	}
	switch verb := args[0]; {
	case verb == "list":
		all := c.Sys.Settings(args[1])
		for _, key := range slices.Sorted(maps.Keys(all)) {
			c.printf("%s=%s\n", key, all[key])
		}
	case verb == "get" && len(args) > 2:
		value, ok := c.Sys.Setting(args[1], args[2])
		if !ok {
			value = "null"
		}
		c.printf("%s\n", value)
	case verb == "put" && len(args) > 3:
		c.Sys.PutSetting(args[1], args[2], args[3])
	case verb == "delete" && len(args) > 2:
		_, ok := c.Sys.Setting(args[1], args[2])
		c.Sys.PutSetting(args[1], args[2], "")
		c.printf("Deleted %d rows\n", map[bool]int{true: 1}[ok])
	default:
		fmt.Fprintln(c.Err, "Invalid command:", verb)
		return 255
	}
	return 0
}

func wm(c *Call) int {
	args := c.Args[1:]
	if len(args) == 0 || args[0] != "size" && args[0] != "density" {
		fmt.Fprintln(c.Err, "usage: wm size|density [VALUE|reset]")
		return 255
	}
	physical := map[string]string{"size": "720x1280", "density": "320"}[args[0]]
	title := map[string]string{"size": "size", "density": "density"}[args[0]]
	if len(args) > 1 {
		value := args[1]
		if value == "reset" {
			value = ""
		}
		c.Sys.PutSetting("wm", args[0], value)
		return 0
	}
	c.printf("Physical %s: %s\n", title, physical)
	if value, ok := c.Sys.Setting("wm", args[0]); ok {
		c.printf("Override %s: %s\n", title, value)
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

func logcat(c *Call) int {
	o, ok := c.parse("dcb:v:t:T:s:gBDe:", "pid", "s")
	if !ok {
		return 1
	}
	if o.flags['c'] {
		c.Sys.ClearLog()
		return 0
	}
	lines := c.Sys.Log()
	if n, err := strconv.Atoi(o.value['t']); err == nil && n < len(lines) {
		lines = lines[len(lines)-n:]
	}
	out := c.buffered()
	fmt.Fprintln(out, "--------- beginning of main")
	for _, line := range lines {
		fmt.Fprintln(out, line)
	}
	if out.Flush() != nil {
		return 1
	}
	if o.has("dt") {
		return 0
	}
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
