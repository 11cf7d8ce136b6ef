import Contracts
import Glibc
import RTC
import Reactor
import Service
import Wire

/// An operator's place: the client, what it is seen by, and what it is driven by.
final class OperatorSeat: Sendable {
    private let client: OperatorClient
    private let recorder: Recorder?
    private let screen: OperatorScreen?
    private let settings: SeatSettings
    private let printer: ClientPrinter

    struct SeatSettings: Sendable {
        var showsFigures: Bool
        var readsLines: Bool
    }

    init(_ options: OperatorClient.Options, _ settings: Settings, _ printer: ClientPrinter) throws {
        self.printer = printer
        let tell: @Sendable (ClientEvent) -> Void = { printer.tell($0) }
        let commands = Self.commands(settings)
        self.settings = SeatSettings(
            showsFigures: settings.isOn("stats"), readsLines: settings.text("commands") == "stdin" && !settings.isOn("no-test-commands"))
        let recorder = try settings.text("record").map { path in
            try Recorder(path: path, limit: settings.number("record-limit", 4...1_000_000) << 20) { error in
                tell(.warning("the recording has ended: \(error)"))
            }
        }
        let screen = settings.isOn("headless") ? nil : try OperatorScreen.open(tell)
        (self.recorder, self.screen) = (recorder, screen)
        client = try OperatorClient(
            options, commands: commands,
            onFrame: { frame in
                recorder?.recordVideo(frame)
                screen?.show(frame)
            },
            tell: { event in
                if case .actionSent(let text) = event { recorder?.recordAction(text) }
                tell(event)
            })
    }

    private static func commands(_ settings: Settings) -> OperatorClient.Commands {
        let name = settings.choice("commands", ["test", "stdin", "none"])
        let interval = ClientSettings.interval(settings)
        if settings.isOn("no-test-commands") || name != "test" { return .none }
        return .test(interval, drivesRandomly: settings.isOn("yes-drive-randomly"))
    }

    func start() {
        screen?.serve(client)
        _ = Task { [client] in
            do { try await client.start() } catch { failToStart(error) }
        }
        do { if settings.readsLines { try readLines() } } catch { failToStart(error) }
        if settings.showsFigures || screen != nil { beginFigures() }
    }

    func stop() async {
        screen?.close()
        await client.stop()
        _ = recorder?.finish()
    }

    /// Lines of standard input, each said as it is; they wait until a robot has been found. What is no command is not said: the robot would have
    /// no use for it.
    private func readLines() throws {
        try WorkerThread.start("waldo-stdin") { [client, printer] in
            while let line = readLine() {
                guard line.contains(where: { !$0.isWhitespace }) else { continue }
                guard ActionMessage.read(Array(line.utf8).span) != nil else {
                    printer.tell(
                        .warning("expected a JSON object of at most \(ActionMessage.limit) bytes on a line; not sent: \(line.prefix(100))"))
                    continue
                }
                while !client.hasOpened { usleep(10_000) }
                while !client.submit(line) { usleep(1000) }
            }
        }
    }

    /// Once a second, for the window and for programs.
    private func beginFigures() {
        _ = Task { [client, screen, settings, printer] in
            var last = OperatorFigures()
            while true {
                try? await Task.sleep(for: .seconds(1))
                last = await client.figures(since: last)
                screen?.show(last)
                if settings.showsFigures { printer.put(last.json(screen?.delay).description) }
            }
        }
    }
}
