import Reactor
import Robot
import Wire

/// How long a stop took: from the last command that was accepted until the motors were told zero, and until the body stood, by the
/// driver's own report. Looks every 2 ms, and only after a stop. Lives on the reactor.
final class StopClock {
    struct Reading {
        var reason: StopReason
        /// From the last accepted command until the gate stopped the robot.
        var decided: Duration
        /// … until the driver's motors were told zero.
        var commanded: Duration
        /// … until the body was slower than 2 cm/s and 0.05 rad/s; nil: it was not within two seconds.
        var standing: Duration?
    }

    private let driver: any RobotDriver
    private let report: (Reading) -> Void
    private var timer: ReactorTimer?
    private var running: (reason: StopReason, last: Instant, decided: Instant, commanded: Instant?)?

    private static let interval = Duration.milliseconds(2)
    private static let patience = Duration.seconds(2)

    init(_ driver: any RobotDriver, reactor: Reactor, report: @escaping (Reading) -> Void) {
        (self.driver, self.report) = (driver, report)
        timer = reactor.makeTimer { [weak self] now in self?.look(at: now) }
    }

    /// The gate has stopped the robot. `last`: when a command was last accepted.
    func start(_ reason: StopReason, last: Instant, at now: Instant) {
        running = (reason, last, now, nil)
        look(at: now)
    }

    private func look(at now: Instant) {
        guard let run = running else { return }
        let telemetry = driver.telemetry
        if run.commanded == nil, telemetry.commanded.isZero, telemetry.time >= run.decided { running?.commanded = telemetry.time }
        let stands = telemetry.velocity.speed < 0.02 && abs(telemetry.velocity.vyaw) < 0.05
        if let commanded = running?.commanded, stands || now - run.decided > Self.patience {
            running = nil
            report(
                Reading(
                    reason: run.reason, decided: run.decided - run.last, commanded: commanded - run.last,
                    standing: stands ? telemetry.time - run.last : nil))
        } else if now - run.decided < Self.patience + .milliseconds(10) {
            timer?.deadline = now + Self.interval
        }
    }
}
