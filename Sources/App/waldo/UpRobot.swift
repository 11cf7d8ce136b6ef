import Reactor
import Service

func makeRobot(_ settings: Settings, _ log: Logger) -> RobotUnit { fail("not yet") }
