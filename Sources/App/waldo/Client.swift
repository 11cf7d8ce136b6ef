import Glibc
import Reactor
import Service
import Wire

private let teleopUsage = """
    usage: waldo client [--role robot|operator] [OPTIONS]
           waldo operator [OPTIONS]

    A robot that shows its camera and takes commands, or the operator who watches and gives them. They find each other on a signalling server
    (`waldo signal`), and then talk directly. Without a role it asks for one.
    Every option can also be given in the environment (--peer: WALDO_PEER) and in a JSON file (--config).
    This software is not safety-rated: a robot that can hurt somebody needs a hardware emergency stop.

    Keys of the operator's window: W A S D or the arrows drive, Esc is the emergency stop, C clears it, H the figures, F full screen,
    Q closes the picture.
    """

/// `role`: from the command's own name.
func runClient(_ arguments: [String]) -> Never {
    let settings = Settings(ClientSettings.options, arguments, usage: teleopUsage)
    let role = settings.text("role").map { text in
        guard ["robot", "operator"].contains(text) else {
            fail("\(settings.source("role")): expected robot or operator, got `\(text)`", usage: teleopUsage)
        }
        return text
    }
    let chosen = role ?? chooseRole()
    // While somebody chooses, whatever ends a program ends this one.
    let end = EndSignals()
    switch chosen {
    case "robot": runRobotClient(settings, end)
    default: runOperatorClient(settings, end)
    }
}

/// The menu: one key on a terminal, one line on a pipe (specs: teleop-client clause 2).
private func chooseRole() -> String {
    say("Select role:\n  1 - Robot (streamer)\n  2 - Operator (controller)")
    switch isatty(0) == 1 ? readKey() : readLine()?.trimmed {
    case "1": return "robot"
    case "2": return "operator"
    default:
        say("Invalid choice. Exiting.")
        exit(1)
    }
}

/// The first key that is no blank.
private func readKey() -> String? {
    var usual = termios()
    guard unsafe tcgetattr(0, &usual) == 0 else { return readLine()?.trimmed }
    var raw = usual
    // Ctrl+C is a key as any other, and a wrong one: the terminal is put back in any case.
    raw.c_lflag &= ~tcflag_t(ICANON | ECHO | ISIG)
    unsafe tcsetattr(0, TCSANOW, &raw)
    defer { unsafe tcsetattr(0, TCSANOW, &usual) }
    var key: UInt8 = 0
    repeat {
        guard unsafe read(0, &key, 1) == 1 else { return nil }
    } while key == 32 || key == 9 || key == 10 || key == 13
    return String(UnicodeScalar(key))
}

extension String {
    fileprivate var trimmed: String {
        String(drop { $0.isWhitespace }.reversed().drop { $0.isWhitespace }.reversed())
    }
}

func makePrinter(_ settings: Settings) -> ClientPrinter {
    do { return try ClientPrinter(settings) } catch { failToStart(error) }
}

/// Waits for Ctrl+C, and for a second one while the first is being carried out.
func waitForEnd(_ end: EndSignals, _ printer: ClientPrinter, _ stop: @escaping @Sendable () async -> Void) -> Never {
    var end = end
    end.wait(patience: 2, again: 130) {
        printer.tell(.shuttingDown)
        await stop()
        printer.tell(.bye)
        printer.finish()
    }
}
