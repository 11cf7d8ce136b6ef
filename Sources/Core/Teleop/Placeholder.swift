import Robot
