import Service
import Usage

/// What commands can be told of this machine's usage monitor.
enum UsageSettings {
    static let namespace = Settings.Option(
        "usage-namespace", "NAME",
        "of the shared memory by which this machine's usage monitor is told who is connected;\nempty: it is not told",
        "teleoperation")

    static func namespace(_ settings: Settings) -> String? {
        guard let name = settings.text("usage-namespace"), !name.isEmpty else { return nil }
        guard MonitorConfiguration.isNamespace(name) else {
            fail("\(settings.source("usage-namespace")): expected \(MonitorConfiguration.namespaceRule), got `\(name)`")
        }
        return name
    }

    static func read(_ settings: Settings, _ options: inout StationOptions) {
        options.usageNamespace = namespace(settings)
        let port = UInt16(settings.number("monitor-port", 0...65_535))
        options.monitorPort = port == 0 ? nil : port
        guard settings.isOn("monitor") else { return }
        if port == 0 { fail("\(settings.source("monitor")): expected a --monitor-port for the monitor to answer at, got 0") }
        options.monitorProgram = monitorProgram()
    }
}
