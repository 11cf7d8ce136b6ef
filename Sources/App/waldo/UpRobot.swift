import Reactor
import Service
import SimDriver
import Wire

/// The robot of `waldo up`: the simulated one.
func makeRobot(_ settings: Settings, _ log: Logger) -> RobotUnit {
    checkSources(settings)
    let driver: SimDriver
    do throws(SimError) { driver = try SimDriver(simulation(settings)) } catch { failToStart(error) }
    var unit = RobotUnit(
        id: "rover", driver: driver, cameras: driver.cameras, microphone: driver.microphone, hear: { driver.hear($0) })
    unit.figures = figures(of: driver)
    log.info("a simulated robot", ["world": .text(driver.world), "renderer": .text(driver.renderer)])
    return withSources(unit, settings, log)
}

/// What the simulated robot is told.
func simulation(_ settings: Settings) -> SimOptions {
    let (width, height) = settings.size("size")
    let quality = SimOptions.Quality(rawValue: settings.choice("quality", SimOptions.Quality.allCases.map(\.rawValue)))!
    return SimOptions(world: settings.text("world"), quality: quality, width: width, height: height)
}

private func figures(of driver: SimDriver) -> [RobotUnit.Figure] {
    [
        .init("waldo_sim_steps_total", "Physics steps", isCounter: true) { Double(driver.statistics.steps) },
        .init("waldo_sim_step_seconds_total", "Time spent in physics steps", isCounter: true) { driver.statistics.stepTime.seconds },
        .init("waldo_sim_real_time_factor", "Simulated time to real time") { driver.statistics.realTimeFactor },
        .init("waldo_sim_drift_seconds", "How far physics is behind the clock") { driver.statistics.drift.seconds },
        .init("waldo_sim_pictures_total", "Pictures rendered", isCounter: true) { Double(driver.statistics.pictures) },
        .init("waldo_sim_pictures_failed_total", "Pictures that could not be rendered", isCounter: true) {
            Double(driver.statistics.failedPictures)
        },
        .init("waldo_sim_render_seconds_total", "Time spent rendering", isCounter: true) { driver.statistics.renderTime.seconds },
    ]
}
