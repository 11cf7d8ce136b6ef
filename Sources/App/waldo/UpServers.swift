import RTC
import Service
import Wire

extension UpSettings {
    /// `--ice-servers`, and what the TURN servers among them ask for.
    static func iceServers(_ settings: Settings) -> IceServerList {
        let urls = (settings.text("ice-servers") ?? "").split { $0 == "," || $0 == " " }.map(String.init)
        let lifetime = settings.number("turn-lifetime", 60...31_536_000)
        var credentials: IceServerList.Credentials?
        switch (visible("turn-secret", settings), visible("turn-user", settings), visible("turn-password", settings)) {
        case (nil, nil, nil): break
        case (let secret?, nil, nil): credentials = .shared(secret: secret, lifetime: .seconds(lifetime))
        case (nil, let user?, let password?): credentials = .fixed(user: user, password: password)
        case (nil, _, _): fail("--turn-user and --turn-password: expected both, got one")
        default: fail("expected either --turn-secret or --turn-user and --turn-password, got both")
        }
        do throws(IceServerList.Failure) { return try IceServerList(urls, credentials: credentials) } catch {
            let isGiven = settings.text("ice-servers") != nil
            let hint =
                if case .url(_, .missingCredentials) = error { ": give --turn-secret, or --turn-user and --turn-password" } else { "" }
            fail("\(isGiven ? "\(settings.source("ice-servers"))" : "--ice-servers"): \(error)\(hint)")
        }
    }

    /// What goes into a header field.
    private static func visible(_ name: String, _ settings: Settings) -> String? {
        guard let text = settings.text(name) else { return nil }
        guard (1...256).contains(text.utf8.count), text.utf8.allSatisfy({ (32...126).contains($0) }) else {
            fail("\(settings.source(name)): expected 1 to 256 characters of ASCII")
        }
        return text
    }
}
