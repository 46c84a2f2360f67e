package guest

import "github.com/daytonaio/runner-android/internal/sim/guest/logd"

// chatter is what a boot leaves in the log.
func (g *Guest) chatter() {
	for _, e := range []logd.Entry{
		{Buffer: logd.Kernel, Tag: "init", Text: "init second stage started!"},
		{Buffer: logd.Kernel, Tag: "init", Text: "starting service 'adbd'..."},
		{PID: 182, UID: 1000, Tag: "servicemanager", Text: "Starting sm instance on /dev/binder"},
		{PID: 270, Tag: "Zygote", Priority: 'D', Text: "begin preload"},
		{Buffer: logd.Events, PID: 270, Tag: "boot_progress_start", Text: "4210"},
		{PID: serverPID, UID: 1000, Tag: "SystemServer", Text: "Entered the Android system server!"},
		{Buffer: logd.System, PID: serverPID, UID: 1000, Tag: "PackageManager", Priority: 'W', Text: "No package verifier found"},
		{Buffer: logd.System, PID: serverPID, UID: 1000, Tag: "ActivityManager",
			Text: "Start proc 910:com.android.systemui/u0a100 for service {com.android.systemui/com.android.systemui.SystemUIService}"},
		{Buffer: logd.Events, PID: serverPID, UID: 1000, Tag: "am_proc_start",
			Text: "[0,910,10100,com.android.systemui,service,com.android.systemui/.SystemUIService]"},
		{PID: 910, UID: 10100, Tag: "SystemUIService", Priority: 'D', Text: "Booting up"},
		{PID: 1210, UID: 10110, Tag: "Launcher", Priority: 'V', Text: "binding workspace"},
		{Buffer: logd.Radio, PID: 268, UID: 1001, Tag: "RILJ", Priority: 'D', Text: "[0001]> RIL_REQUEST_GET_SIM_STATUS [SUB0]"},
	} {
		g.log.Add(e)
	}
}
