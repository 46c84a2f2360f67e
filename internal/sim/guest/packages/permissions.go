package packages

import (
	"maps"
	"slices"
	"strings"
)

const android = "android.permission."

// runtimePermissions are those a person grants, by their names behind android.permission.
var runtimePermissions = strings.Fields(`ACCEPT_HANDOVER ACCESS_BACKGROUND_LOCATION ACCESS_COARSE_LOCATION ACCESS_FINE_LOCATION
	ACCESS_MEDIA_LOCATION ACTIVITY_RECOGNITION ANSWER_PHONE_CALLS BLUETOOTH_ADVERTISE BLUETOOTH_CONNECT BLUETOOTH_SCAN BODY_SENSORS
	CALL_PHONE CAMERA GET_ACCOUNTS NEARBY_WIFI_DEVICES POST_NOTIFICATIONS PROCESS_OUTGOING_CALLS READ_CALENDAR READ_CALL_LOG
	READ_CONTACTS READ_EXTERNAL_STORAGE READ_MEDIA_AUDIO READ_MEDIA_IMAGES READ_MEDIA_VIDEO READ_PHONE_NUMBERS READ_PHONE_STATE
	READ_SMS RECEIVE_MMS RECEIVE_SMS RECEIVE_WAP_PUSH RECORD_AUDIO SEND_SMS USE_SIP UWB_RANGING WRITE_CALENDAR WRITE_CALL_LOG
	WRITE_CONTACTS WRITE_EXTERNAL_STORAGE`)

// developmentPermissions are those that no person is asked for and a developer's shell grants.
var developmentPermissions = strings.Fields(`CHANGE_CONFIGURATION DUMP PACKAGE_USAGE_STATS READ_LOGS SET_ANIMATION_SCALE
	SET_ALWAYS_FINISH SET_DEBUG_APP SET_PROCESS_LIMIT SIGNAL_PERSISTENT_PROCESSES SYSTEM_ALERT_WINDOW WRITE_SECURE_SETTINGS`)

// specialPermissions are given elsewhere: on a page of the settings, or to the system alone.
var specialPermissions = strings.Fields(`ACCESS_MOCK_LOCATION MANAGE_EXTERNAL_STORAGE REBOOT SCHEDULE_EXACT_ALARM WRITE_SETTINGS`)

// normalPermissions are granted at the install.
var normalPermissions = strings.Fields(`ACCESS_LOCATION_EXTRA_COMMANDS ACCESS_NETWORK_STATE ACCESS_WIFI_STATE BLUETOOTH BLUETOOTH_ADMIN
	BROADCAST_STICKY CHANGE_NETWORK_STATE CHANGE_WIFI_MULTICAST_STATE CHANGE_WIFI_STATE DISABLE_KEYGUARD EXPAND_STATUS_BAR
	FOREGROUND_SERVICE FOREGROUND_SERVICE_LOCATION FOREGROUND_SERVICE_MEDIA_PROJECTION FOREGROUND_SERVICE_SPECIAL_USE
	GET_PACKAGE_SIZE INTERNET KILL_BACKGROUND_PROCESSES MODIFY_AUDIO_SETTINGS NFC QUERY_ALL_PACKAGES READ_SYNC_SETTINGS
	RECEIVE_BOOT_COMPLETED REORDER_TASKS REQUEST_INSTALL_PACKAGES SET_ALARM SET_WALLPAPER TRANSMIT_IR USE_BIOMETRIC VIBRATE
	WAKE_LOCK WRITE_SYNC_SETTINGS`)

var permissions = func() map[string]bool {
	all := map[string]bool{}
	for _, name := range slices.Concat(normalPermissions, specialPermissions) {
		all[android+name] = false
	}
	for _, name := range slices.Concat(runtimePermissions, developmentPermissions) {
		all[android+name] = true
	}
	return all
}()

// IsKnown tells whether the system defines a permission.
func IsKnown(permission string) bool { _, known := permissions[permission]; return known }

// IsInstall tells whether an app that asks for a permission has it from its install on.
func IsInstall(permission string) bool {
	return slices.Contains(normalPermissions, strings.TrimPrefix(permission, android))
}

// IsRuntime tells whether a permission can be granted and revoked.
func IsRuntime(permission string) bool { return permissions[permission] }

// IsDangerous tells whether a person is asked for it.
func IsDangerous(permission string) bool {
	return slices.Contains(runtimePermissions, strings.TrimPrefix(permission, android))
}

// Permissions are all that the system defines, by name.
func Permissions() []string { return slices.Sorted(maps.Keys(permissions)) }
