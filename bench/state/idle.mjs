// A process of Node.js that does nothing, and has not even loaded the package.
export function idle({ seconds }) {
  return new Promise((resolve) => setTimeout(resolve, seconds * 1000));
}
